import { Html, html, type Page } from '../../../identity/html.js';
import { demoAccounts, demoPassword } from './accounts.js';

const footer =
  'This is the demo identity provider of Throughline. It runs on this machine only, its accounts and its password are public, and it proves nothing about who you are.';

/** @param problem what was wrong with the last try */
export function loginPage(action: string, account: string, problem?: string): Page {
  const alert = problem === undefined ? '' : html`<p role="alert" class="bad">${problem}</p>`;
  const accounts = Object.values(demoAccounts);
  return {
    title: 'Demo sign-in',
    body: html`${alert}<p class="note">This is a demo. Choose any account; the password of all of them is <code>${demoPassword}</code>.</p>
<form method="post" action="${action}">
<label for="account">Account</label>
<input id="account" name="account" list="accounts" value="${account}" required autofocus autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="64">
<datalist id="accounts">${accounts.map(
      ({ sub, name }) => html`<option value="${sub}">${name}</option>`,
    )}</datalist>
<label for="password">Password</label>
<input id="password" name="password" type="password" required autocomplete="off" maxlength="64">
<button type="submit">Sign in</button>
<button type="submit" class="plain" name="cancel" value="yes" formnovalidate>Cancel</button>
</form>
<dl>${accounts.map(({ sub, groups }) => html`<dt><code>${sub}</code></dt><dd>${groups.join(', ')}</dd>`)}</dl>`,
    footer,
  };
}

export function backPage(url: string): Page {
  return {
    title: 'Back to the gateway',
    body: html`<p><a class="button" href="${url}">Continue</a></p>`,
    next: url,
    footer,
  };
}

export function problemPage(what: string): Page {
  return {
    title: 'The demo sign-in did not work',
    body: html`<p role="alert" class="bad">${what}</p>
<p>Go back to where you started (for example: <code>throughline login</code>) and sign in again.</p>`,
    footer,
  };
}

/** @param form markup of oidc-provider: the form that signs out, without its buttons */
export function signOutPage(form: string): Page {
  return {
    title: 'Sign out of the demo',
    body: html`<p class="note">This ends your sign-in here, and with it what you are signed in to on this gateway.</p>
${new Html(form)}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button type="submit" form="op.logoutForm" class="plain">Stay signed in</button>`,
    footer,
  };
}

export const signedOutPage: Page = {
  title: 'You are signed out of the demo',
  body: html`<p>To sign in again, start where you need it (for example: <code>throughline login</code>).</p>`,
  footer,
};
