import { render } from 'preact';
import { BenchSession } from './bench_session.ts';
import { BenchPage } from './bench_page.tsx';

const session = new BenchSession();
const root = document.querySelector('#app');
if (root) render(<BenchPage session={session} />, root);
void session.begin();
