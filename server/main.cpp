// posthornd. Exit status: 0 a clean end, 1 refused to start or something is wrong (--check), 2 wrong usage or configuration.
#include <cstdio>
#include <exception>
#include <string>

#include "base/log.hpp"
#include "base/version.hpp"
#include "server/check/check.hpp"
#include "server/config/load.hpp"
#include "server/count_queue.hpp"
#include "server/daemon.hpp"
#include "server/options.hpp"
#include "server/signals.hpp"
#include "server/store_offline.hpp"

namespace {

using namespace posthorn;
using server::Options;

constexpr int kRefused = 1;
constexpr int kUsage = 2;

void out(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int run(server::Config config, Options options) {
    server::Daemon daemon(std::move(config), std::move(options));
    if (const auto started = daemon.start(); !started) {
        base::log::fatal("server.refused", {{"msg", started.error().log_text}});
        base::log::flush();
        return kRefused;
    }
    daemon.run();
    return 0;
}

int count(const server::Config& config) {
    const auto messages = server::count_queue(config);
    base::log::flush();
    if (!messages) return std::fprintf(stderr, "posthornd: %s\n", messages.error().log_text.c_str()), kRefused;
    return out(std::to_string(*messages) + "\n"), 0;
}

int act(Options options) {
    if (options.action == Options::Action::help) return out(server::options_help()), 0;
    if (options.action == Options::Action::version)
        return out("posthornd " + std::string(base::version()) + "\n"), 0;
    if (options.action == Options::Action::print_config) return out(server::print_config()), 0;
    if (options.action == Options::Action::check) {
        const auto findings = server::check_all(options);
        out(options.json ? server::findings_json(findings) : server::findings_text(findings));
        return server::any_wrong(findings) ? kRefused : 0;
    }
    auto config = server::load_config(options.config);
    if (!config) {
        std::fputs(config.error().text.c_str(), stderr);
        return kUsage;
    }
    if (options.action == Options::Action::check_config) return 0;
    if (options.action == Options::Action::store_check || options.action == Options::Action::store_repair)
        return server::run_store_offline(*config, options);
    if (options.action == Options::Action::count_queue) return count(*config);
    return run(*std::move(config), std::move(options));
}

}  // namespace

int main(int argc, char** argv) {
    server::open_standard_streams();
    server::take_descriptors();
    auto options = server::parse_options(argc, argv);
    if (!options) {
        std::fprintf(stderr, "posthornd: %s; see --help\n", options.error().c_str());
        return kUsage;
    }
    server::block_signals();
    server::install_crash_handlers();
    try {
        return act(*std::move(options));
    } catch (const std::exception& e) {
        base::log::fatal("server.refused", {{"msg", e.what()}});
        base::log::flush();
        return kRefused;
    }
}
