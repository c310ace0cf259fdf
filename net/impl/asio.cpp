// The one translation unit that holds the bodies of Asio and Beast (the switches are in dependencies/meson.build).
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
