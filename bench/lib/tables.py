"""Markdown tables of what was measured for several servers."""


def rows(table):
    widths = [max(len(r[i]) for r in table) for i in range(len(table[0]))]
    rule = ["-" * w for w in widths]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |"
                     for r in [table[0], rule, *table[1:]])


def compared(results, servers, columns):
    """One row a measure: for each column (key, title, format) the servers' figures; then the ratios of the last
    server to the first."""
    shown = [c for c in columns if any(c[0] in f for by in results.values() for f in by.values())]
    table = [["measure"] + [f"{title}: {' / '.join(servers)}" for _, title, _ in shown] + ["rate", "CPU"]]
    for name, by_server in results.items():
        row = [name]
        for key, _, form in shown:
            row.append(" / ".join(form.format(by_server[s][key]) if key in by_server.get(s, {}) else "–"
                                  for s in servers))
        first, last = by_server.get(servers[0]), by_server.get(servers[-1])
        if first and last and first is not last:
            row.append(f"{last['per_second'] / first['per_second']:.2f}x")
            row.append(f"1/{first['cpu_s_per_1000'] / last['cpu_s_per_1000']:.1f}" if last["cpu_s_per_1000"] else "–")
        else:
            row += ["–", "–"]
        table.append(row)
    return rows(table)
