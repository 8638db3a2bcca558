/** What the pages of plots look like besides what all pages do. */
import { STYLE } from '../report/style.ts'

export const PLOT_STYLE = `${STYLE}
body>header{padding-top:20px}
a{color:var(--brand)}
.crumb{font-size:.9rem;margin:0 0 6px}
h1 .tag{font-size:.85rem;vertical-align:4px;margin:0 0 0 8px;color:var(--brand)}
form{display:flex;flex-wrap:wrap;gap:12px;align-items:end;margin:0}
label{display:grid;gap:3px;font-size:.85rem;color:var(--soft);min-width:0}
select,input,button{font:inherit;font-size:.95rem;color:var(--ink);background:var(--card);border:1px solid var(--soft);
border-radius:8px;padding:7px 10px;min-height:40px;max-width:100%}
select{min-width:8rem}
button{cursor:pointer}
.go{background:var(--brand);border-color:var(--brand);color:var(--card);font-weight:600;padding:7px 18px}
:focus-visible{outline:3px solid var(--brand);outline-offset:2px}
.picture svg{display:block}
.picture>.narrow{display:none}
@media (max-width:640px){.picture>.narrow{display:block}.picture>.broad{display:none}
label{flex:1 1 40%}select{min-width:0;width:100%}.go{flex:1 1 100%}}
.key{margin:14px 0 6px;align-items:center}
.key li{display:flex;align-items:center}
.key .line{stroke:var(--brand);stroke-width:2}.key .area{fill:var(--band)}.key .odd{fill:var(--bad)}
.tools{display:flex;flex-wrap:wrap;gap:6px;margin:10px 0 2px;align-items:center}
.tools button{min-width:44px;padding:6px 10px}
.chart{position:relative;border-radius:8px;touch-action:pan-y}
.chart+.chart{margin-top:6px}
.chart h3{margin:14px 0 2px;color:var(--ink);font-weight:600}
.tip{position:absolute;z-index:9;pointer-events:none;left:0;background:var(--card);border:1px solid var(--soft);border-radius:8px;
padding:6px 10px;font-size:.8rem;line-height:1.45;white-space:nowrap;font-variant-numeric:tabular-nums;box-shadow:0 2px 10px #0003}
.tip b{font-weight:600}.tip .bad{font-weight:600}
.u-select{background:var(--band)}
.u-cursor-x{border-color:var(--soft)}
.wide{overflow-x:auto}
.wide:focus-visible{outline-offset:-3px}
.wide table{min-width:max-content}.wide th,.wide td{font-size:.9rem;padding-left:12px}.wide th:first-child{padding-left:0;white-space:nowrap}
th:first-child{padding-right:10px}
td.text,th.text{text-align:left}
.jump{min-height:0;padding:1px 6px;margin:-2px -7px;border-color:transparent;background:none;color:var(--brand);font-size:inherit;
text-decoration:underline;white-space:nowrap;text-align:left;font-variant-numeric:tabular-nums}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,170px),1fr));gap:10px 20px;margin:0 0 14px}
.facts div{min-width:0}
.facts dt{font-size:.85rem;color:var(--soft)}
.facts dd{margin:0;font-variant-numeric:tabular-nums}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.pages{margin:14px 0 0}
@media print{form,.tools,.crumb{display:none}}
`
