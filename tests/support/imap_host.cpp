// The IMAP reader as a process, over a store in memory: real clients talk to it (tests/e2e/test_imap.py).
#include "readers/imap/service.hpp"
#include "tests/support/reader_host.hpp"

int main(int argc, char** argv) { return posthorn::testing::host_main<posthorn::imap::Service>(argc, argv); }
