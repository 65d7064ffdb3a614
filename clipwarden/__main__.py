"""`python -m clipwarden` is `clipwarden`."""

from clipwarden.main import main

if __name__ == "__main__":
    main()
