import { render } from 'preact';
import { VerifyPage } from './verify_page.tsx';
import { VerifySession } from './verify_session.ts';

const session = new VerifySession();
const root = document.querySelector('#app');
if (root) render(<VerifyPage session={session} />, root);
void session.begin();
