// A directory in memory: auth::Directory without a backend, for tests of what asks it. One thread at a time.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "auth/directory.hpp"

namespace posthorn::testing {

class FakeDirectory final : public auth::Directory {
public:
    // Addresses are "local@domain" in canonical form; their domain becomes local.
    auth::Account& add_account(std::string_view address);
    void add_alias(std::string_view address, std::vector<std::string> targets);
    void add_domain(std::string domain, std::string catch_all = {});
    void remove(std::string_view address);
    // Every question fails temporarily, until cleared.
    void set_down(bool down) { down_ = down; }
    void set_separator(std::string separator) { separator_ = std::move(separator); }

    net::Task<base::Result<auth::Resolution>> resolve(net::Loop& loop, mail::Address address) override;
    net::Task<base::Result<std::optional<auth::Account>>> account(net::Loop& loop, mail::AccountName name) override;
    bool is_local_domain(std::string_view domain) const override;
    std::vector<std::string> local_domains() const override;

    const std::vector<std::string>& questions() const { return questions_; }  // addresses, in the order asked

private:
    std::optional<auth::Resolution> named(const std::string& address) const;

    std::map<std::string, auth::Account, std::less<>> accounts_;
    std::map<std::string, std::vector<mail::Address>, std::less<>> aliases_;
    std::map<std::string, std::string, std::less<>> domains_;  // to the catch-all's address
    std::string separator_ = "+";
    std::vector<std::string> questions_;
    bool down_ = false;
};

}  // namespace posthorn::testing
