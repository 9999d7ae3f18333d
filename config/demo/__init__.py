"""The demo office: a filled, working back office on one machine, from one command.

``home.py`` keeps its directory and makes its environment, ``processes.py`` starts, watches and stops its processes,
``office.py`` runs it from start to end, ``filling.py`` and its neighbours fill it through the real flows.
"""
