import type { DeviceGrant } from './device-grants.js';
import { html, type Page } from './html.js';

/** Every error page says what happened and what to do. */
export function errorPage(title: string, what: string, action: string): Page {
  return { title, body: html`<p role="alert" class="bad">${what}</p><p>${action}</p>` };
}

export const noProviderPage = errorPage(
  'No identity provider is ready',
  'The gateway has no identity provider that it could send you to.',
  'If it has just been started, wait a few seconds and reload this page. Otherwise ask the operator to configure one.',
);

export const tooManyPage = errorPage(
  'Too many requests',
  'There were too many requests from your address.',
  'Wait a minute, then reload this page.',
);

export const strayPage = errorPage(
  'This sign-in is not waiting any more',
  'It was finished or cancelled before, it is older than ten minutes, or it was begun in another browser.',
  'Go back to where you started (for example: throughline login) and sign in again. You can close this page.',
);

export function providerDownPage(name: string, retry: string): Page {
  return {
    title: 'The identity provider cannot be reached',
    body: html`<p role="alert" class="bad">The gateway gets no answer from ${name}.</p>
<p>Nothing is lost: try again in a moment. If it stays so, tell the operator of the gateway.</p>
<p><a class="button" href="${retry}">Try again</a></p>`,
  };
}

export function chooserPage(choices: readonly { readonly name: string; readonly href: string }[]): Page {
  return {
    title: 'Sign in with',
    body: html`<ul>${choices.map(
      ({ name, href }) => html`<li><a class="button" href="${href}">${name}</a></li>`,
    )}</ul>`,
  };
}

/** On to the provider. A redirect would be held to our own form-action in some browsers. */
export function onwardPage(provider: string, url: URL): Page {
  return {
    title: 'On to your identity provider',
    body: html`<p>You are taken to ${provider}.</p><p><a class="button" href="${url.href}">Continue</a></p>`,
    next: url.href,
  };
}

export function codeEntryPage(action: string, problem?: string): Page {
  const alert = problem === undefined ? '' : html`<p role="alert" class="bad">${problem}</p>`;
  return {
    title: 'Sign in a device',
    body: html`${alert}<form method="get" action="${action}">
<label for="user_code">The code that the device shows</label>
<input id="user_code" name="user_code" class="code" required autofocus autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="16" placeholder="XXXX-XXXX">
<button type="submit">Continue</button>
</form>`,
    footer: 'Enter a code only if you started the sign-in yourself, on a device in front of you.',
  };
}

export interface ConfirmPage {
  readonly action: string;
  readonly csrf: string;
  readonly grant: DeviceGrant;
  readonly providers: readonly string[];
}

export function confirmPage({ action, csrf, grant, providers }: ConfirmPage): Page {
  const name =
    grant.deviceName === undefined ? '' : html`<dt>Calls itself</dt><dd>“${grant.deviceName}”</dd>`;
  const key =
    grant.deviceKey === undefined ? '' : html`<dt>Device key</dt><dd><code>${grant.deviceKey}</code></dd>`;
  const buttons = providers.map(
    (provider) =>
      html`<button type="submit" name="provider" value="${provider}">${
        providers.length === 1 ? 'Yes, sign this device in' : `Yes, sign it in with ${provider}`
      }</button>`,
  );
  return {
    title: 'Sign in this device?',
    body: html`<p>A device asks to act as you. Does it show this code?</p>
<p class="code">${grant.userCode}</p>
<dl>${name}<dt>Asked from</dt><dd>${grant.remoteAddress}</dd>
<dt>Asked at</dt><dd>${utc(grant.createdAtMs)}</dd>${key}</dl>
<p class="note">If somebody sent you this link or this code, refuse: whoever holds the device would work under your name.</p>
<form method="post" action="${action}">
<input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="user_code" value="${grant.userCode}">
${buttons}
<button type="submit" class="plain" name="refuse" value="yes">No, refuse it</button>
</form>`,
  };
}

export function devicePage(grant: DeviceGrant, principal: string): Page {
  return {
    title: 'The device is signed in',
    body: html`<p>Device <span class="code">${grant.userCode}</span> now works as <strong>${principal}</strong>.</p>
<p>You can close this page. To end it later, run <code>throughline logout</code> on the device.</p>`,
  };
}

export const refusedPage: Page = {
  title: 'Refused',
  body: html`<p>The device was not signed in. You can close this page.</p>`,
};

function utc(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
