// Hands TIDEGATE_BEARER to every request that a Node program makes, for programs that cannot be told of one:
//
//     TIDEGATE_BEARER=tg_… node --import ./bearer.mjs PROGRAM

import http from "node:http";
import { Agent, setGlobalDispatcher } from "undici";

const authorization = `Bearer ${process.env.TIDEGATE_BEARER}`;

/** Headers as an object: they may come as one, as pairs, or as a list of names and values. */
function plain(headers) {
  if (Array.isArray(headers)) {
    return Object.fromEntries(headers.flatMap((name, at) => (at % 2 ? [] : [[name, headers[at + 1]]])));
  }
  return headers && Symbol.iterator in headers ? Object.fromEntries(headers) : headers;
}

// `fetch` and undici's own functions go through the dispatcher; what is left is `http.request`.
const withBearer = (dispatch) => (options, handler) =>
  dispatch({ ...options, headers: { ...plain(options.headers), authorization } }, handler);
setGlobalDispatcher(new Agent().compose(withBearer));

const request = http.request;
http.request = (options, ...rest) => request({ ...options, headers: { ...options.headers, authorization } }, ...rest);
