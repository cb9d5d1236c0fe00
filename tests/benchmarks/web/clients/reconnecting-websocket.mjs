import ReconnectingWebSocket from 'reconnecting-websocket';

export async function open({ url }, take) {
  const socket = new ReconnectingWebSocket(`${url.replace(/^http/, 'ws')}/ws`);
  socket.addEventListener('message', ({ data }) => take(JSON.parse(data)));
  const online = new Promise((resolve) => socket.addEventListener('open', () => resolve()));
  return { online, send: (payload) => socket.send(JSON.stringify(payload)), close: () => socket.close() };
}
