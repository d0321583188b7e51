"""``python -m latentmap`` is the command ``latentmap``."""

from latentmap.cli import main

if __name__ == "__main__":
    main()
