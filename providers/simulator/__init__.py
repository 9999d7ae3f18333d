"""Local stand-ins for the wholesalers: a program of its own, started with `manage.py simulator`.

It speaks each provider's wire format over real HTTP, keeps its own books in SQLite, and does on demand
what a live service does at the worst moment. It uses the standard library only and imports nothing of
the project; nothing of the project imports it. Everything a test or the demo needs goes over HTTP:
the provider's own calls under the provider's prefix, and the control calls below under `/_control/`
(accepted from loopback addresses only). Bodies and replies are JSON.

    GET    /_control/health                         name, systems, clock, sizes
    POST   /_control/reset                          {"plans"?: n, "seed"?: n}: empty books, the catalogue and
                                                    limits of the start, no faults, real time
    GET    /_control/books?parts=&system=           orders, effects, requests, counts, violations,
                                                    webhooks (parts: comma list)
    GET    /_control/clock
    POST   /_control/clock                          {"advance": s} | {"offset": s} | {"at": instant} | {"frozen": bool}
    GET    /_control/switches
    POST   /_control/switches                       {name: value, …}; names and defaults in `switches.py`
                                                    and in each provider's folder
    GET    /_control/limits
    POST   /_control/limits                         {"multiplier"?: x, "limits"?: {system: {endpoint | "*": n | null}},
                                                     "clear"?: true}: a limit of null is none; clear opens new windows
    GET    /_control/faults                         {"faults": every one with how often it was used, "kinds"}
    POST   /_control/faults                         {"kind", "endpoint"?, "system"?, "times"?, "skip"?, "match"?, …};
                                                    kinds and their parameters in `faults.py`
    GET    /_control/webhooks?system=               {"paused", "waiting": how many, "webhooks": every delivery}
    POST   /_control/webhooks                       {"action": "pause"} | {"action": "resume", "order"?: "forward" |
                                                    "reverse" | "shuffle", "seed"?} | {"action": "repeat", "id"} |
                                                    {"action": "drop", "id"?} | {"action": "send", "system", "kind",
                                                    "url", "body", "headers"?}
    DELETE /_control/faults                         forget all
    DELETE /_control/faults/{id}

and for each system (`commerce`, `commerce-sandbox`, `access`, …) its own calls, listed in its folder's
`control.py`, for example `esim_commerce/control.py`:

    GET    /_control/commerce/plans/{code}          the plan and whether it is on sale
    POST   /_control/commerce/plans                 {"action": "change" | "remove" | "restore" | "add" | "generate", …}
    GET    /_control/commerce/lines                 the truth about every line sold
    GET    /_control/commerce/lines/{iccid}
    POST   /_control/commerce/lines/{iccid}         {"event": "download" | "install" | "connect" | "use" | …}
    POST   /_control/commerce/cache                 {"as_of": instant | "now" | null, "iccid"?}: serve older data
"""
