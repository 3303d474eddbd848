"""A workload system for the lab: a stand-in of PanDA, and a pilot that takes its jobs."""
