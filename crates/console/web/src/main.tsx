// The order of the cascade layers has to come before the first rule of a part.
import './styles/index.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { loadSession } from './api/session';
import { followPrefs } from './prefs';
import { Routes } from './routes';

followPrefs();
void loadSession();

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root.');
createRoot(root).render(
  <StrictMode>
    <Routes />
  </StrictMode>,
);
