// The POP3 reader as a process, over a store in memory: real clients talk to it (tests/e2e/test_pop3.py).
#include "readers/pop3/service.hpp"
#include "tests/support/reader_host.hpp"

int main(int argc, char** argv) { return posthorn::testing::host_main<posthorn::pop3::Service>(argc, argv); }
