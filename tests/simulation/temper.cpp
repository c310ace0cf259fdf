#include "tests/simulation/peer.hpp"

namespace posthorn::simulation {

using namespace std::chrono_literals;

namespace {

std::vector<std::string> draw_extensions(Dice& dice) {
    std::vector<std::string> out;
    for (const char* one : {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING", "STARTTLS"}) {
        if (dice.chance(500)) out.emplace_back(one);
    }
    if (dice.chance(150)) out.emplace_back("SIZE");
    if (dice.chance(100)) out.push_back("SIZE " + std::to_string(dice.between(50, 5000)));
    if (dice.chance(100)) out.push_back("LIMITS RCPTMAX=" + std::to_string(dice.between(1, 3)));
    if (dice.chance(100)) out.push_back("LIMITS MAILMAX=" + std::to_string(dice.between(1, 3)));
    if (dice.chance(50)) out.emplace_back("X-NONSENSE =%&");
    return out;
}

}  // namespace

// Takes everything, in its own time and way.
Temper healthy(Dice& dice) {
    Temper t;
    if (dice.chance(500)) t.extensions = draw_extensions(dice);
    std::erase_if(t.extensions, [](const std::string& e) { return e.starts_with("SIZE "); });
    if (dice.chance(300)) t.think = dice.span(1ms, 3s);
    return t;
}

// Most hosts have one fault; a few have all.
Temper draw_temper(Dice& dice) {
    Temper t;
    t.extensions = draw_extensions(dice);
    t.lies = dice.chance(50);
    if (dice.chance(300)) t.think = dice.span(1ms, 40s);
    if (dice.chance(100)) t.read_at_most = static_cast<std::size_t>(dice.between(1, 20));
    if (dice.chance(80)) t.recipients = static_cast<std::size_t>(dice.between(1, 3));
    const bool all = dice.chance(30);
    const int one = dice.between(0, 15);
    const auto has = [&](int n) { return all || one == n; };
    if (has(0)) t.link = Temper::Link::refuses;
    if (one == 1) t.link = Temper::Link::stalls;
    if (all) t.link = Temper::Link::up;
    if (has(2)) t.drops = dice.between(10, 400);
    if (has(3)) t.stalls = dice.between(10, 300);
    if (has(4)) t.leaves = dice.between(10, 400);
    if (has(5)) t.turns_away = dice.between(50, 1000);
    if (has(6) && dice.chance(300)) t.turns_away_hard = dice.between(50, 500);
    if (has(7)) t.temporary = dice.between(50, 1000);
    if (has(8)) t.permanent = dice.between(20, 400);
    if (has(9)) t.loses_answer = dice.between(50, 700);
    if (has(10)) t.odd = 500;
    if (has(11)) t.nonsense = dice.between(10, 300);
    if (has(12)) t.knows_no_ehlo = 700;
    if (has(13)) t.greylist = dice.span(10s, 20min);
    return t;
}

}  // namespace posthorn::simulation
