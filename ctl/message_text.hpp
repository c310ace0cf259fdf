// A message of the queue with its text, for people and for programs.
#pragma once

#include <string>

#include "ctl/show.hpp"

namespace posthorn::ctl {

// First what the queue knows of it, then its text; a stranger wrote that: nothing in it reaches the terminal but
// characters that can be shown.
class MessageShow final : public ListPrinter {
public:
    std::string part(const control::Value::List& items) override;
    std::string end(const control::Value& info) const override;

private:
    std::string line_;  // the text's last one, not yet ended
};

// One object: that of `queue view` and its text as the member `name`.
class MessageJson final : public ListPrinter {
public:
    explicit MessageJson(std::string name) : name_(std::move(name)) {}
    std::string part(const control::Value::List& items) override;
    std::string end(const control::Value& info) const override;

private:
    std::string name_;
    control::Value message_ = control::Value::map();
    std::string text_;
};

// The octets themselves.
class RawShow final : public ListPrinter {
public:
    std::string part(const control::Value::List& items) override;
    std::string end(const control::Value&) const override { return {}; }
};

}  // namespace posthorn::ctl
