"""The page and the REST API: what `apf status`, `apf why` and the wishes say and do, for a browser and for programs.

Read from the rows alone, as the commands are, so no host needs to answer; a wish goes to the operator's mailbox, and
its outcome is a row. The models are the console's (`console/status_model.py`).

    who may            access.py, tokens.py       what was seen last    snapshot.py
    what must not pass guards.py                  what changed          events.py
    REST               api.py                     pages                 pages.py, templates/
    all of it together app.py                     served by             serve.py
"""
