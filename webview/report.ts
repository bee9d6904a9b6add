/** The script of an exported report: the panel, over what the page carries. The page is complete without it. */
import './style/tokens.css';
import './style/frame.css';
import './style/strip.css';
import './style/image.css';
import './style/canvas.css';
import './style/pruning-charts.css';
import './style/pruning.css';
import './style/high-resolution.css';
import './style/cross-attention.css';
import './style/axis.css';
import './style/light-theme.css';
import './style/evaluation.css';
import './style/compare.css';
import './style/traffic.css';
import './style/traffic-charts.css';
import './style/traffic-details.css';
import './style/report.css';
import './style/report-pages.css';
import { EmbeddedTraces } from './report/embedded-traces.ts';
import { ReportPanel } from './report/report-panel.ts';

const place = document.getElementById('fovea-panel');
if (place) {
  const panel = new ReportPanel(place, new EmbeddedTraces());
  panel.open().catch((error: unknown) => {
    panel.fail(error);
  });
}
