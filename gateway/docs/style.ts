// One colour for what can be followed, and weight and space for the rest; contrast of at least 7:1 in both schemes.
export const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--quiet:#4a525c;--line:#c9d0d8;--soft:#f3f5f8;--link:#0b4fb0}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebef;--paper:#14171b;--quiet:#b4bcc6;--line:#3a424c;--soft:#1d2228;--link:#9cc3ff}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;font:1rem/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
a{color:var(--link);text-underline-offset:.15em}
:is(a,summary,pre):focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:.2rem}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem;z-index:1}
header,.page{max-width:72rem;margin:0 auto;padding:1rem 1.5rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline;border-bottom:1px solid var(--line)}
header p{margin:0}header h1{margin:0;font-size:1.4rem;flex-grow:1}header h1 small{font-size:1rem;font-weight:400;color:var(--quiet);margin-left:.75rem}
h2{margin:3rem 0 .75rem;font-size:1.35rem;line-height:1.3}
h3{margin:0;font-size:1.1rem;line-height:1.35}h4{margin:1.25rem 0 .35rem;font-size:.95rem}
p{margin:.5rem 0;max-width:44rem}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86rem}
pre{margin:.35rem 0;background:var(--soft);border:1px solid var(--line);border-radius:.4rem;padding:.75rem 1rem;overflow-x:auto;line-height:1.5}
nav{font-size:.95rem}nav ul{list-style:none;margin:0 0 .75rem;padding:0}nav li{margin:.15rem 0}nav a{display:block;padding:.1rem 0;text-decoration:none}nav a:hover{text-decoration:underline}nav p{margin:1rem 0 .2rem;font-weight:600}
nav h2{margin:0;font-size:1rem}
.operation{margin:1.25rem 0;padding:1.1rem 1.25rem 1.25rem;border:1px solid var(--line);border-radius:.6rem}
.route{margin:.35rem 0 .6rem;overflow-wrap:anywhere}.route b{margin-right:.6em}
.quiet{color:var(--quiet)}
table{border-collapse:collapse;width:100%;font-size:.93rem}
th,td{text-align:left;vertical-align:top;padding:.4rem 1rem .4rem 0;border-bottom:1px solid var(--line)}
th[scope=row]{font-weight:400;white-space:nowrap}thead th{font-size:.85rem;color:var(--quiet);font-weight:600}
details{margin:.75rem 0 0}summary{cursor:pointer;padding:.15rem 0;font-weight:600;font-size:.95rem}
@media (min-width:64rem){.page{display:grid;grid-template-columns:15rem minmax(0,1fr);gap:2.5rem}nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow-y:auto;padding:1rem 0 1rem .2rem}main{padding-top:1rem}main>:first-child{margin-top:0}}
@media (max-width:40rem){header,.page{padding:.75rem 1rem}.operation{padding:.9rem .9rem 1rem}
thead{position:absolute;left:-999rem}tr,th[scope=row],td{display:block;white-space:normal;overflow-wrap:anywhere}tr{padding:.45rem 0;border-bottom:1px solid var(--line)}th[scope=row],td{border:0;padding:.05rem 0}td:empty{display:none}
td[data-label]:not(:empty,:last-child)::before{content:attr(data-label)": ";color:var(--quiet)}th[scope=row] code{font-weight:700}}
@media print{nav,.skip{display:none}details>*{display:block}}
`;
