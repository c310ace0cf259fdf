// The effective configuration as a TOML file.
#pragma once

#include <string>

#include "ctl/show.hpp"

namespace posthorn::ctl {

class ConfigText final : public ListPrinter {
public:
    std::string part(const control::Value::List& items) override;
    std::string end(const control::Value&) const override { return {}; }

private:
    std::string place_;  // of the section last begun
};

}  // namespace posthorn::ctl
