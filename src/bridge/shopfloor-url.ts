/** The forms in which factory software writes the address of a shopfloor. */

export type ShopfloorUrl =
  { readonly kind: 'url'; readonly url: URL } | { readonly kind: 'unsupported'; readonly why: string };

const PREFIX = /^(xmlrpc|jsonrpc|wsdl|json):(?!\/\/)/i;

/**
 * Reads a shopfloor's address: `http` or `https`, with or without `xmlrpc:` before it. A trailing slash is dropped as
 * factory software does, so that an address which works there works here.
 */
export function toShopfloorUrl(text: string): ShopfloorUrl {
  const prefix = PREFIX.exec(text)?.[1]?.toLowerCase() ?? 'xmlrpc';
  const address = text.trim().replace(PREFIX, '');
  if (prefix !== 'xmlrpc' || PREFIX.test(address))
    return notSupported(prefix === 'xmlrpc' ? 'a second prefix' : `${prefix}:`);
  if (!URL.canParse(address)) {
    return { kind: 'unsupported', why: 'The shopfloor URL cannot be read; write it as http://host:port/path.' };
  }
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return { kind: 'unsupported', why: `A shopfloor URL begins with http:// or https://, not ${url.protocol}//.` };
  }
  if (/wsdl$/i.test(address)) return notSupported('a URL that ends in wsdl (SOAP)');
  url.pathname = url.pathname.replace(/\/+$/, '');
  return { kind: 'url', url };
}

function notSupported(form: string): ShopfloorUrl {
  return {
    kind: 'unsupported',
    why: `The shopfloor URL uses ${form}, which is not supported yet; only XML-RPC is: write http://… or xmlrpc:http://….`,
  };
}
