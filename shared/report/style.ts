/** How the report's page looks: by day and by night, from a phone to a desk, and on paper. */
export const STYLE = `
:root{color-scheme:light dark;--ground:#f4f6f8;--card:#fff;--ink:#1b2430;--soft:#566070;--line:#dde2e8;
--brand:#0b5fa5;--band:#0b5fa52e;--area:#0b5fa50f;--wash:#eff5fa;--bad:#b3261e;--good:#1a7f37;--warn:#875800}
@media (prefers-color-scheme:dark){:root{--ground:#11151b;--card:#1a2029;--ink:#e8ecf1;--soft:#a5afbc;--line:#303945;
--brand:#6db5f2;--band:#6db5f240;--area:#6db5f214;--wash:#202c39;--bad:#ff8a80;--good:#6fd08c;--warn:#e6b450}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);overflow-wrap:anywhere;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
body>header,main,footer{max-width:1080px;margin:0 auto;padding:0 16px}
body>header{padding-top:24px}
h1{margin:0;font-size:1.6rem;line-height:1.25}
header p{margin:2px 0 0}
header .lead{margin-top:8px;font-size:1.075rem;max-width:70ch}
main{display:grid;gap:16px;grid-template-columns:minmax(0,1fr);margin-top:16px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px;min-width:0}
h2{margin:0 0 12px;font-size:1.15rem;line-height:1.3}
h2 .soft{font-weight:400;font-size:.95rem}
.soft{color:var(--soft)}
.bad{color:var(--bad)}.good{color:var(--good)}.warn{color:var(--warn)}.brand{color:var(--brand)}
.small{font-size:.875rem}
.notice{border-left:4px solid var(--warn);background:var(--card);padding:10px 14px;margin:0;border-radius:4px}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}code span{white-space:nowrap}
.whole{white-space:nowrap}
section .notice{background:var(--wash);margin-bottom:12px}
section>p:last-child,section>.notice:last-child{margin-bottom:0}
.tiles{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(100%,200px),1fr));margin:0;padding:0;list-style:none}
.tiles li{border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.tiles b{display:block;font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums}
.tiles .note{display:block;font-size:.875rem}
.charts{display:grid;gap:20px 24px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));margin-top:18px}
figure{margin:0;min-width:0}
figcaption{font-size:.9rem;margin-bottom:8px}
.plot{position:relative;height:150px;margin-left:3.2rem}
.plot svg{display:block;width:100%;height:100%;overflow:visible}
.plot span{position:absolute;right:100%;margin-right:8px;transform:translateY(50%);white-space:nowrap}
.plot span,.dates{font-size:.78rem;line-height:1;color:var(--soft);font-variant-numeric:tabular-nums}
.dates{position:relative;height:1.4rem;margin:8px 0 0 3.2rem}
.dates span{position:absolute;white-space:nowrap}
.grid{stroke:var(--line)}.now{stroke:var(--soft);stroke-dasharray:2 3}
.past{stroke:var(--brand);stroke-width:2;stroke-linejoin:round;fill:none}
.next{stroke:var(--brand);stroke-width:2;stroke-dasharray:5 4;fill:none}
.dot{stroke:var(--brand);stroke-width:7;stroke-linecap:round}
.area{fill:var(--area)}.band{fill:var(--band)}
.grid,.now,.past,.next,.dot{vector-effect:non-scaling-stroke}
.key{display:flex;flex-wrap:wrap;gap:2px 18px;margin:6px 0 0;padding:0;list-style:none;font-size:.85rem;color:var(--soft)}
.key svg{display:inline-block;width:26px;height:10px;margin-right:6px}
.items{margin:0;padding:0;list-style:none;display:grid;gap:0 32px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}
.items>li{border-top:1px solid var(--line);padding:12px 0}
.items>li p{margin:3px 0 0}
ol.items{counter-reset:place}
ol.items>li{counter-increment:place;padding-left:2.1rem;position:relative}
ol.items>li::before{content:counter(place);position:absolute;left:0;top:13px;width:1.5rem;height:1.5rem;border-radius:50%;
background:var(--wash);color:var(--brand);font-size:.8rem;font-weight:600;line-height:1.5rem;text-align:center}
.tag{display:inline-block;font-size:.75rem;font-weight:600;line-height:1.45;padding:0 8px;border-radius:99px;
border:1px solid currentColor;margin-right:7px;white-space:nowrap;vertical-align:1px}
.effect{color:var(--good);font-weight:600;white-space:nowrap}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:.875rem;padding:0 0 4px}
th,td{text-align:right;padding:8px 0 8px 14px;border-bottom:1px solid var(--line);font-weight:400;vertical-align:top}
td,thead th{white-space:nowrap}
thead th{color:var(--soft);font-size:.875rem;vertical-align:bottom}
th:first-child{text-align:left;padding-left:0}
tbody tr:last-child>*{border-bottom:0}
td .small{display:block}
h3{margin:18px 0 8px;font-size:.875rem;font-weight:400;color:var(--soft)}
.pair{display:grid;gap:18px 48px;grid-template-columns:minmax(0,1fr);align-items:start}
details{margin-top:12px}
summary{cursor:pointer;color:var(--brand)}
.more{margin:8px 0 0}
footer{color:var(--soft);font-size:.85rem;margin-top:16px;padding-bottom:24px}
@media (min-width:800px){.pair{grid-template-columns:minmax(0,3fr) minmax(0,2fr)}section{padding:22px 24px}}
@media (max-width:480px){section{padding:16px 14px}th,td{font-size:.875rem;padding-left:8px}}
@media print{:root{--ground:#fff}section{break-inside:avoid}body{font-size:12px}}
`
