"""Takes longer to load than any startup-timeout of the tests."""

import time

time.sleep(30)
