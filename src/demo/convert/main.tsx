import { render } from 'preact';
import { ConvertPage } from './convert_page.tsx';
import { ConvertSession } from './convert_session.ts';

const session = new ConvertSession();
const root = document.querySelector('#app');
if (root) render(<ConvertPage session={session} />, root);
void session.begin();
