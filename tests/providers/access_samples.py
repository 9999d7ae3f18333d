"""eSIM Access's own samples: webhooks as printed, replies as the document and the field notes have them."""

from typing import Any

#: ``notifyType`` -> the delivery as the document prints it (CHECK_HEALTH without the two stars behind it).
WEBHOOKS: dict[str, bytes] = {
    "CHECK_HEALTH": b'{"notifyType": "CHECK_HEALTH", "content": {"orderNo": "1234567890", "orderStatus": "Test"} }',
    "ORDER_STATUS": b"""{
  "notifyType": "ORDER_STATUS",
  "content": {
    "orderNo": "B23072016497499",
    "orderStatus": "GOT_RESOURCE"
  }
}""",
    "SMDP_EVENT": b"""{
    "notifyType": "SMDP_EVENT",
    "eventGenerateTime": "2025-09-11T13:28:09+0000",
    "notifyId": "5fcc219e32dc484598d3fd700cf3738d",
    "content": {
        "eid": "89049032007108882600137544319616",
        "iccid": "8997250230000292199",
        "esimStatus": "GOT_RESOURCE",
        "smdpStatus": "DOWNLOAD",
        "orderNo": "B25091113270004",
        "esimTranNo": "25091113270004",
        "transactionId": "12068951785848-1-1"
    }
}""",
    "DATA_USAGE": b"""{
    "notifyType": "DATA_USAGE",
    "eventGenerateTime": "2025-07-21T10:57:28Z",
    "notifyId": "f776267e8d6745db8cc316e4c146ea0c",
    "content": {
        "orderNo": "B25052822150009",
        "transactionId": "unique_id_from_partner",
        "esimTranNo": "25052822150009",
        "iccid": "8943108170001029631",
        "totalVolume": 53687091200,
        "orderUsage": 48335585458,
        "remain": 5351505742,
        "lastUpdateTime": "2025-07-21T09:38:25Z",
        "remainThreshold": 0.1
    }
}""",
    "VALIDITY_USAGE": b"""{
    "notifyType": "VALIDITY_USAGE",
    "content": {
        "orderNo": "B23072016497499",
        "transactionId": "Your_txn_id",
        "iccid": "894310817000000003",
        "durationUnit": "DAY",
        "totalDuration": 30,
        "expiredTime": "2024-01-11T08:10:19Z",
        "remain": 1
    }
}""",
    "ESIM_STATUS": b"""{
    "notifyType": "ESIM_STATUS",
    "eventGenerateTime": "2025-08-09T00:23:45Z",
    "notifyId": "4038b3dfb1b050bf9f02501df67284f3",
    "content": {
        "orderNo": "B25080823490018",
        "esimTranNo": "25080323490020",
        "transactionId": "e23111e4d07746889c7bce41cf3f1b16",
        "iccid": "89852000263413436720",
        "esimStatus": "CANCEL",
        "smdpStatus": "RELEASED"
    }
}""",
}

#: A package as seen live (field notes).
PACKAGE: dict[str, Any] = {
    "packageCode": "CKH002",
    "slug": "ES_3_30",
    "name": "Spain 3GB 30Days",
    "price": 18000,
    "currencyCode": "USD",
    "volume": 3221225472,
    "smsStatus": 0,
    "dataType": 1,
    "unusedValidTime": 180,
    "duration": 30,
    "durationUnit": "DAY",
    "location": "ES",
    "locationCode": "ES",
    "description": "Spain 3GB 30Days",
    "activeType": 2,
    "favorite": False,
    "retailPrice": 36000,
    "speed": "3G/4G/5G",
    "ipExport": "NL/FR",
    "supportTopUpType": 2,
    "fupPolicy": "",
    "locationNetworkList": [
        {
            "locationName": "Spain",
            "locationLogo": "/img/flags/es.png",
            "locationCode": "ES",
            "operatorList": [{"operatorName": "Vodafone", "networkType": "4G"}],
        }
    ],
}

#: The same as the document's table of fields has it, with its own examples: no locationCode, no fupPolicy.
DOCUMENT_PACKAGE: dict[str, Any] = {
    "packageCode": "JC016",
    "slug": "AU_1_7",
    "name": "Asia 11 countries 1GB 30 Days",
    "price": 10000,
    "currencyCode": "USD",
    "volume": 10485760,
    "smsStatus": 0,
    "dataType": 1,
    "unusedValidTime": 30,
    "duration": 1,
    "durationUnit": "DAY",
    "location": "CN, HK, ID, JP, MO, MY, PH, SG, KR, TW, TH, IN, VN, SA, KH, PK, LK",
    "description": "Asia 11 countries",
    "activeType": 1,
    "favorite": False,
    "retailPrice": 71000,
    "speed": "3G/4G",
    "locationNetworkList": [
        {
            "locationName": "Japan",
            "locationLogo": "/img/jp.png",
            "operatorList": [{"operatorName": "T-Mobile", "networkType": "4G/5G"}],
        }
    ],
    "ipExport": "HK",
    "supportTopUpType": 2,
}

#: A line of a plan by the day, as seen live (field notes), with its neutralised identifiers filled in.
LINE: dict[str, Any] = {
    "esimTranNo": "26033119290005",
    "orderNo": "B26033119290003",
    "transactionId": "our-key",
    "imsi": "454006109846571",
    "iccid": "8985224528000942210",
    "smsStatus": 0,
    "msisdn": "",
    "ac": "LPA:1$rsp-eu.example.com$451F9802E6854E3E85FB985235EDB4E5",
    "qrCodeUrl": "https://p.example.com/a1b2.png",
    "shortUrl": "https://p.example.com/a1b2",
    "smdpStatus": "RELEASED",
    "eid": "",
    "activeType": 2,
    "dataType": 2,
    "activateTime": None,
    "expiredTime": "2026-09-27T19:29:36+0000",
    "installationTime": None,
    "totalVolume": 1073741824,
    "totalDuration": 1,
    "durationUnit": "DAY",
    "orderUsage": 0,
    "esimStatus": "GOT_RESOURCE",
    "pin": "1234",
    "puk": "12345678",
    "apn": "isp",
    "ipExport": "FR/NL",
    "supportTopUpType": 3,
    "fupPolicy": "1 Mbps",
    "packageList": [
        {
            "packageName": "Georgia 1GB/Day FUP1Mbps",
            "packageCode": "P1X57VWMR",
            "slug": "GE_1_Daily_1Mbps",
            "duration": 1,
            "volume": 1073741824,
            "locationCode": "GE",
            "createTime": "2026-03-31T19:29:36+0000",
            "esimTranNo": "26033119290005",
            "transactionId": "our-key",
        }
    ],
}

#: A line with its data in total, as the document's table of fields has it: no transactionId, no times, short packages.
DOCUMENT_LINE: dict[str, Any] = {
    "esimTranNo": "22102706381912",
    "orderNo": "B221027063819924",
    "imsi": "454006109846571",
    "iccid": "89852245280000942210",
    "msisdn": "xxxxx",
    "smsStatus": 0,
    "dataType": 1,
    "ac": "LPA:1$rsp-eu.redteamobile.com$451F9802E6854E3E85FB985235EDB4E5",
    "qrCodeUrl": "http://static.redtea.io/hedy/qrcode/s/image/d6dbada5054a4dfeb941e601327a4b42.png",
    "smdpStatus": "ENABLED",
    "eid": "89049032007108882600137544319616",
    "activeType": "1",
    "expiredTime": "2023-03-03T06:20:00+0000",
    "totalVolume": 1073741824,
    "totalDuration": 7,
    "durationUnit": "DAY",
    "orderUsage": 0,
    "pin": "329393",
    "apn": "drei.at",
    "esimStatus": "IN_USE",
    "packageList": [{"packageCode": "CKH179", "duration": 7, "volume": 1073741824, "locationCode": "JP"}],
}
