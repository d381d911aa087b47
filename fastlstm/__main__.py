"""``python -m fastlstm`` is the command ``fastlstm``."""

from fastlstm.cli import main

if __name__ == "__main__":
    main()
