"""The style sheet of the page, for light and dark."""

from __future__ import annotations

STYLE = """
:root { --ground: #fff; --ink: #1b1f24; --dim: #59636e; --line: #d1d9e0; --soft: #f6f8fa; --good: #1a7f37;
  --goodground: #dafbe1; --bad: #cf222e; --badground: #ffebe9; --open: #9a6700; --openground: #fff8c5;
  --blue: #0969da; --violet: #8250df; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --dim: #9198a1; --line: #3d444d;
  --soft: #151b23; --good: #3fb950; --goodground: #12261e; --bad: #f85149; --badground: #2d1316; --open: #d29922;
  --openground: #272115; --blue: #4493f8; --violet: #ab7df8; } }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 1320px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; margin: .2rem 0 .6rem;
  overflow-wrap: anywhere; } h4 { margin: 0 0 .4rem; color: var(--dim); font-weight: 600; }
a { color: var(--blue); }
.dim { color: var(--dim); font-size: .9em; }
.summary { padding: .6rem .9rem; border-radius: 6px; font-weight: 600; }
.summary.good { background: var(--goodground); color: var(--good); }
.summary.bad, .difference { background: var(--badground); color: var(--bad); }
.difference { margin: .3rem 0; padding: .2rem .6rem; border-radius: 4px; }
.drawing, .wide { overflow-x: auto; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left;
  vertical-align: top; font-weight: 400; } thead th { background: var(--soft); font-size: .85em; }
.matrix thead th, .expectations td:nth-child(-n + 3) { white-space: nowrap; }
.matrix tbody th { overflow-wrap: anywhere; min-width: 11rem; }
.matrix td { text-align: center; } .matrix td a { color: inherit; display: block; text-decoration: none; }
td.agrees { background: var(--goodground); } td.differs { background: var(--badground); }
td.unknown { background: var(--openground); }
td.agrees, .sign.agrees { color: var(--good); } td.differs, .sign.differs { color: var(--bad); }
td.unknown, .sign.unknown { color: var(--open); }
.question { display: none; border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; margin: .8rem 0; }
.question.shows, .question:target { display: block; } .question:target { border-color: var(--blue); }
.accounts { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; font-size: .9em; overflow-wrap: anywhere; }
@media (max-width: 700px) { .accounts { grid-template-columns: 1fr; } }
.way { margin: .3rem 0; color: var(--dim); } .end { font-weight: 600; margin: .3rem 0 1rem; }
.accounts ol { margin: 0; padding-left: 1.6rem; }
svg { font: 12px system-ui, sans-serif; display: block; } svg text { fill: var(--ink); }
svg .frame { fill: var(--soft); stroke: var(--line); } svg .frame.internet { stroke-dasharray: 5 4; }
svg .name { font-weight: 600; } svg .title { font-weight: 600; } svg .kind { fill: var(--dim); font-weight: 400; }
svg .network { fill: var(--line); } svg .box { fill: var(--ground); stroke: var(--line); }
svg .box.vantage { stroke: var(--blue); } svg .box.edge, svg .box.gateway { stroke: var(--violet); }
svg .row { font-size: 11px; } svg .row.address { fill: var(--dim); } svg .row.gateway { fill: var(--violet); }
svg .uplink { stroke: var(--dim); stroke-dasharray: 5 4; fill: none; }
svg .link { stroke: var(--violet); stroke-width: 2; fill: none; } svg .linkname { fill: var(--violet); }
"""
