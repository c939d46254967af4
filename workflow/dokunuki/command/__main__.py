"""`python -m dokunuki.command`, where the script `dokunuki` is not on the path."""

from dokunuki.command.app import main

if __name__ == "__main__":
    main()
