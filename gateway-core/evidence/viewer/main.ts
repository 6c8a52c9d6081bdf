import './shims/zod.js';

const app = document.getElementById('app');
if (app !== null) app.textContent = 'Drop a bundle here.';
