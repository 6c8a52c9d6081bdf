import '@fontsource-variable/inter/index.css';
import '@fontsource-variable/jetbrains-mono/index.css';
import '@mantine/core/styles.css';
import 'dockview-react/dist/styles/dockview.css';
import '../ui/shared.css';
import { createRoot } from 'react-dom/client';
import { followHost } from '../ui/app-state.js';
import { App } from './app.js';

followHost();
const root = document.getElementById('root');
if (root === null) throw new Error('the page has no root');
createRoot(root).render(<App />);
