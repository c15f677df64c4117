import { render } from 'preact';
import { LatencyPage } from './latency_page.tsx';
import { LatencySession } from './latency_session.ts';

const session = new LatencySession();
const root = document.querySelector('#app');
if (root) render(<LatencyPage session={session} />, root);
void session.begin();
