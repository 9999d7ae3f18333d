"""The documented endpoints, called as a client would."""

from tests.simulator_client import Simulator


def test_an_order_is_sold_booked_and_can_be_inquired(simulator: Simulator) -> None:
    code = simulator.plan_codes()[0]
    answer = simulator.call("POST", "/esim/orders", json={"planCode": code, "quantity": 2})
    assert answer.status_code == 200
    iccids = [esim["iccid"] for esim in answer.json()["esims"]]
    [order] = simulator.orders()
    assert (order["plan"], order["quantity"], order["refs"]) == (code, 2, iccids)
    inquiry = simulator.call("GET", f"/esim/transactions/{answer.json()['transactionId']}")
    assert inquiry.json() == {"transactionId": order["reference"], "iccids": iccids}
