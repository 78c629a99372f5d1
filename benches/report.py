"""Tables and a plot of what was measured: medians over rounds, ratios formed within a round."""

import statistics
from html import escape

COLOURS = ("#b7410e", "#e9a47f", "#1f5f8b", "#8fbcd4", "#6b8e23", "#8a6bab", "#777777")


def median(values):
    """Of those that are there."""
    values = list(values)
    return statistics.median(values) if values else None


def ratio(slices, label, baseline):
    """The median over rounds of the quotient of CPU times; none when no round has both undisturbed."""
    by_round = {(it.label, it.round): it.cpu_us for it in slices if it.counts}
    pairs = [(cpu, by_round.get((baseline, number))) for (name, number), cpu in by_round.items() if name == label]
    return median(cpu / base for cpu, base in pairs if base)


def text(value, digits=0):
    """A number for a table."""
    return "-" if value is None else f"{value:,.{digits}f}"


def cell_table(slices, labels, baselines):
    """One cell: a row for each label."""
    lines = ["| | CPU us/request | of the baseline | requests/s | p50 us | p99 us | slices |", "|---|--:|--:|--:|--:|--:|--:|"]
    for label in labels:
        mine = [it for it in slices if it.label == label]
        good = [it for it in mine if it.counts]
        baseline = baselines.get(label)
        compared = text(ratio(slices, label, baseline), 2) if baseline in labels else "-"
        figures = [text(median(getattr(it, name) for it in good), digits) for name, digits in (("cpu_us", 1), ("rate", 0), ("p50_us", 0), ("p99_us", 0))]
        lines.append(f"| {label} | {figures[0]} | {compared} | {' | '.join(figures[1:])} | {len(good)} of {len(mine)} |")
    return lines


def markdown(run, cells, memory, baselines):
    """The whole report. `cells` are the slices by the name of the cell."""
    lines = ["# Results", "", *(f"- {name}: {value}" for name, value in run.items()), ""]
    lines += [
        "CPU time is that of all processes of a contender. Slices in which others used too much of the machine, or with errors, are left out; "
        "the last column counts those that are left. A dash says that there is none.",
        "",
    ]
    for name, slices in cells.items():
        present = list(dict.fromkeys(it.label for it in slices))
        labels = sorted(present, key=list(baselines).index)
        lines += [f"## {name}", "", *cell_table(slices, labels, baselines), ""]
    if memory:
        lines += ["## Memory", "", "PSS in MB of all processes, alone on the machine.", ""]
        columns = list(dict.fromkeys(name for row in memory.values() for name in row))
        lines += [f"| | {' | '.join(f'after {name}' for name in columns)} |", "|---|" + "--:|" * len(columns)]
        lines += [f"| {label} | {' | '.join(text(row[name] / 1024, 1) if name in row else '-' for name in columns)} |" for label, row in memory.items()]
        lines.append("")
    left_out = sum(not it.counts for slices in cells.values() for it in slices)
    lines += [f"{left_out} of {sum(map(len, cells.values()))} slices were left out.", ""]
    return "\n".join(lines)


def svg(cells, labels):
    """Bars of CPU time per request, in parts of the most expensive one of each cell."""
    left, width, bar, gap = 150, 520, 15, 16
    groups = []
    for name, slices in cells.items():
        values = [(label, median(it.cpu_us for it in slices if it.label == label and it.counts)) for label in labels]
        groups.append((name, [(label, value) for label, value in values if value]))
    groups = [group for group in groups if group[1]]
    height = 60 + sum(gap + bar * len(rows) for _, rows in groups) + 18 * len(labels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" height="{height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="20" font-size="14">CPU time per request, all processes (shorter is better; each group has its own scale)</text>',
    ]
    y = 36
    for name, rows in groups:
        longest = max(value for _, value in rows)
        parts.append(f'<text x="10" y="{y + bar * len(rows) / 2 + 4:.0f}">{escape(name)}</text>')
        for label, value in rows:
            length = width * value / longest
            colour = COLOURS[labels.index(label) % len(COLOURS)]
            parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{colour}"><title>{escape(label)}</title></rect>')
            parts.append(f'<text x="{left + length + 4:.1f}" y="{y + bar - 4}">{value:,.1f} us</text>')
            y += bar
        y += gap
    for index, label in enumerate(labels):
        parts.append(f'<rect x="{left}" y="{y}" width="12" height="12" fill="{COLOURS[index % len(COLOURS)]}"/>')
        parts.append(f'<text x="{left + 18}" y="{y + 10}">{escape(label)}</text>')
        y += 18
    return "\n".join([*parts, "</svg>", ""])
