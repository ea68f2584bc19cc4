"""What the assistant can do: rasa-sdk `Action` classes, nothing else.

The classes run in process, given the live home, and are served as they are by
``python -m rasa_sdk --actions dialogue.actions``; then they play in the home that the environment variable
``ONEBREATH_HOME`` names, else in the one shipped in ``grammars/home.yaml``.
"""
