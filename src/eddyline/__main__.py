"""``python -m eddyline``: the command line."""

from eddyline.cli.main import run

if __name__ == "__main__":
    run()
