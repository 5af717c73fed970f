// The socket, in a worker so that drawing the page does not delay the sound.
let socket = null, ring = null, waiting = [], last = 0;

onmessage = ({ data }) => {
  if (data.open) open(data.open, data.ring);
  else if (socket && socket.readyState === WebSocket.OPEN) socket.send(data.send);
  else waiting.push(data.send);
};

function open(address, port) {
  ring = port;
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    for (const message of waiting) socket.send(message);
    waiting = [];
  };
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") postMessage(JSON.parse(data));
    else ring.postMessage(data, [data]);
  };
  socket.onclose = ({ code, reason }) => {
    const away = code === 1006 ? "The server does not answer; check that timbre app is running." : "";
    postMessage({ closed: { reason: reason || away } });
  };
  ring.onmessage = ({ data }) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ do: "credit", played: data.played, ahead: data.ahead }));
    if (performance.now() - last < 100) return;
    last = performance.now();
    postMessage({ ring: data });
  };
}
