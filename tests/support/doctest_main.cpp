// main() of every doctest executable. The tests' own files include <doctest/doctest.h> without this define.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
