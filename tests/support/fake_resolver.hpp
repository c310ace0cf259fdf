// A zone in memory with its faults: net::Resolver without a network and without a cache.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "net/dns.hpp"

namespace posthorn::testing {

class FakeResolver final : public net::Resolver {
public:
    void add_mx(const std::string& name, std::uint16_t preference, std::string host);
    void add_address(const std::string& name, std::string_view ip);
    void add_txt(const std::string& name, std::string text);
    void add_cname(const std::string& name, std::string target);
    // Every question for `name` ends so, until cleared with DnsStatus::ok.
    void fail(const std::string& name, net::DnsStatus status);
    // Questions for `name` are answered only after `delay`.
    void delay(const std::string& name, base::Duration delay);
    void remove(const std::string& name) { zone_.erase(name); }
    void set_ttl(base::Duration ttl) { ttl_ = ttl; }
    void set_health(bool ok, std::string text = {}) { ok_ = ok, text_ = std::move(text); }

    net::Task<net::MxAnswer> mx(net::Loop& loop, std::string name) override;
    net::Task<net::AddressAnswer> addresses(net::Loop& loop, std::string name) override;
    net::Task<net::TxtAnswer> txt(net::Loop& loop, std::string name) override;
    net::DnsHealth health() const override;
    void clear_cache(std::string) override {}
    std::vector<net::DnsCached> cached(const std::string&, std::size_t, base::SteadyTime) const override {
        return {};
    }

    const std::vector<std::string>& questions() const { return questions_; }  // "mx example.org", in order asked

private:
    struct Name {
        std::vector<net::MxRecord> mx;
        std::vector<net::IpAddress> addresses;
        std::vector<std::string> txt;
        std::string cname;
        net::DnsStatus fault = net::DnsStatus::ok;
        base::Duration delay{};
    };
    struct Found {
        net::DnsStatus status;
        Name name;
    };
    Found find(const std::string& name, bool (*has)(const Name&)) const;
    net::Task<> wait(net::Loop& loop, std::string name);

    std::map<std::string, Name> zone_;
    std::vector<std::string> questions_;
    base::Duration ttl_ = std::chrono::minutes(5);
    bool ok_ = true;
    std::string text_;
};

}  // namespace posthorn::testing
