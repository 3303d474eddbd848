"""The lab's pool: real HTCondor daemons for an ordinary user."""
