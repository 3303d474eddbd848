"""Retirement: matches startds to VMs, drains them, and ends them. It alone.

A reading in, an end call out: one look at one cloud, in the order in which `actor.Retirement.look` reads.

    monitor's rows: listing, startds            operators' wishes, queues' wants
              |                                            |
              v                                            |
     1 observe    observe.py -> Observed                   |
       the newest readings, matched to VMs and judged      |
       (sightings.py); what nobody has a row for: adopted  |
              |                                            |
              v                                            |
     2 advance    advance.py -> Rows                       |
       each VM along the lifecycle table, as far           |
       as what was seen of it proves                       |
              |                                            |
              v                                            v
     3 converge   converge.py -> Decided <-----------------+
       who is given up, taken back, drained or
       killed, by wish, by notice or by want
              |
              v
     4 write      write.py: the rows as they are to be, with what they rest on, in one fenced call
              |
              v
     5 act        acts.py: what the rows say is asked of the world, off this thread
              |
              +--> drains.py  a startd is asked to drain, evict, or take a drain back
              +--> ends.py    VERIFY: a startd that shows itself drained is asked itself; where it does not answer,
              |               every schedd is. Only then, within seconds, END: the cloud is asked to end the VM
              +--> hold_marks.py  holds as tags on instances
              +--> orphans.py  schedds are asked, now and then, whether they know of what busy VMs run: only told
              |
              v
     answers.py   an answer becomes the row's next state, unless the row moved on meanwhile
              |
              v
     the next look: the cloud's listing shows it gone, and only then its row is `ended`

A row comes before the act, so that the next holder of the post goes on from there; so no phase waits for another's
answer, and a host may die between any two of them. `vm_calls.py` has the calls themselves.
"""
