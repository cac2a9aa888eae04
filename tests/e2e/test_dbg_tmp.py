import sys
sys.path.insert(0,'/work/main/tests/e2e')
from test_http import *
def test_dbg(bed, nginx, observer):
  for i in range(4):
    front, back = nginx.access.stat().st_size, nginx.backend_access.stat().st_size
    with observer.window(exact=False) as window:
        count, _ = wrk(bed, f"http://127.0.0.1:{nginx.port}/proxied/hello", 32)
        settled_log(nginx.access)
        settled_log(nginx.backend_access)
    print("count", count, "front", logged(nginx.access, front), "back", logged(nginx.backend_access, back))
    print(window.counts("http_requests_total", "endpoint", "status", service="nginx"))
    print(client_counts(window, "nginx"), client_counts(window, "wrk"))
    window.assert_nothing_missed()
