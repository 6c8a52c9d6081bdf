import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface PageSeen {
  readonly url: URL;
  readonly status: number;
  readonly text: string;
}

/** What of a browser the sign-in pages need: cookies, redirects, meta refresh, forms. Trusts one CA. */
export class PlainBrowser {
  readonly #ca: string;
  readonly #cookies = new Map<string, Map<string, string>>();

  constructor(ca: string) {
    this.#ca = ca;
  }

  async open(address: string | URL, form?: URLSearchParams, from?: URL): Promise<PageSeen> {
    let url = new URL(address);
    let body = form;
    for (let hop = 0; hop < 20; hop += 1) {
      const page = await this.#request(url, body, from);
      body = undefined;
      const onward = page.location ?? refreshOf(page.text);
      if (onward === undefined) {
        const seen = { url, status: page.status, text: page.text };
        // A page that sends its form by script, as a browser would.
        return page.text.includes('document.forms[0].submit()') ? this.submit(seen, {}) : seen;
      }
      url = new URL(onward, url);
    }
    throw new Error('too many redirects');
  }

  /** Sends the first form of a page with these fields; hidden ones come from the page. */
  submit(page: PageSeen, fields: Readonly<Record<string, string>>): Promise<PageSeen> {
    const action = /<form [^>]*method="post" action="([^"]+)"/.exec(page.text)?.[1];
    if (action === undefined)
      throw new Error(`there is no form on ${page.url.href}: ${page.text.slice(0, 500)}`);
    const body = new URLSearchParams();
    for (const match of page.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]+)"/g)) {
      body.set(match[1] ?? '', unescapeHtml(match[2] ?? ''));
    }
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return this.open(new URL(unescapeHtml(action), page.url), body, page.url);
  }

  #request(
    url: URL,
    form: URLSearchParams | undefined,
    from: URL | undefined,
  ): Promise<{ status: number; text: string; location: string | undefined }> {
    const jar = this.#cookies.get(url.host) ?? new Map<string, string>();
    this.#cookies.set(url.host, jar);
    const body = form?.toString();
    const headers = {
      ...(jar.size === 0 ? {} : { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/x-www-form-urlencoded', origin: from?.origin ?? url.origin }),
    };
    const options = { method: body === undefined ? 'GET' : 'POST', headers };
    return new Promise((resolve, reject) => {
      const sent =
        url.protocol === 'https:'
          ? httpsRequest(url, { ...options, ca: this.#ca })
          : httpRequest(url, options);
      sent.on('error', reject);
      sent.on('response', (response) => {
        for (const line of response.headers['set-cookie'] ?? []) {
          const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s);
          if (value === '') jar.delete(name);
          else jar.set(name, value);
        }
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, location: response.headers.location }),
        );
      });
      sent.end(body);
    });
  }
}

function refreshOf(text: string): string | undefined {
  const target = /<meta http-equiv="refresh" content="0;url=([^"]+)">/.exec(text)?.[1];
  return target === undefined ? undefined : unescapeHtml(target);
}

function unescapeHtml(text: string): string {
  return text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"');
}
