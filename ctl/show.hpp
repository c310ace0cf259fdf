// Answers for people: fields and tables as text; and lists bit by bit, as they come.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/protocol/value.hpp"

namespace posthorn::ctl {

// Columns are as wide as what has been seen so far needs; the heading stands above the first rows.
class Table {
public:
    explicit Table(std::string_view indent = "") : indent_(indent) {}
    std::string add(const control::Value::List& rows);

private:
    std::string indent_;
    std::vector<std::string> keys_;
    std::vector<std::size_t> widths_;
};

// A list whose beginning is shown before its end is known.
class ListPrinter {
public:
    virtual ~ListPrinter() = default;
    virtual std::string part(const control::Value::List& items) = 0;
    virtual std::string end(const control::Value& info) const = 0;
};

class ListShow final : public ListPrinter {
public:
    explicit ListShow(bool json) : json_(json) {}
    std::string part(const control::Value::List& items) override;
    std::string end(const control::Value& info) const override;

private:
    bool json_;
    bool any_ = false;
    Table table_;
};

std::string show(const control::Value& result);

}  // namespace posthorn::ctl
