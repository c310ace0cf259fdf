#include "auth/directory.hpp"

#include <set>
#include <utility>

namespace posthorn::auth {
namespace {

constexpr int kAliasDepth = 6;           // aliases from the address to the account
constexpr std::size_t kAliasNames = 64;  // looked at in all: a list of thousands is nobody's sender address

struct Lead {
    mail::Address address;
    int depth = 0;
};

}  // namespace

net::Task<base::Result<bool>> owns(net::Loop& loop, Directory& directory, mail::AccountName account,
                                   mail::Address address) {
    if (address.empty()) co_return true;
    std::vector<Lead> leads{{std::move(address), 0}};
    std::set<mail::Address> seen{leads.front().address};
    for (std::size_t n = 0; n < leads.size(); ++n) {
        const Lead lead = leads[n];
        auto found = co_await directory.resolve(loop, lead.address);
        if (!found) co_return std::unexpected(std::move(found.error()));
        if (found->catch_all) continue;
        if (found->kind == Resolution::Kind::account && found->account.name == account) co_return true;
        if (found->kind != Resolution::Kind::alias || lead.depth + 1 > kAliasDepth) continue;
        for (auto& target : found->targets) {
            if (leads.size() < kAliasNames && seen.insert(target).second)
                leads.push_back({std::move(target), lead.depth + 1});
        }
    }
    co_return false;
}

}  // namespace posthorn::auth
