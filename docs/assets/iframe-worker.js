// The search of a site that was opened from a file: browsers start no worker there, so its script runs in a frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      this.frame = new Promise((resolve) => {
        frame.addEventListener("load", () => {
          const inside = frame.contentWindow;
          const answer = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          inside.postMessage = answer;
          inside.importScripts = (...urls) => Promise.all(urls.map((one) => load(inside, one)));
          load(inside, url).then(() => resolve(inside));
        }, { once: true });
      });
      document.body.append(frame);
    }
    postMessage(data) {
      this.frame.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.then((inside) => inside.frameElement.remove());
    }
  };
  const load = (inside, url) => new Promise((resolve, reject) => {
    const script = inside.document.createElement("script");
    script.src = url;
    script.onload = resolve;
    script.onerror = reject;
    inside.document.head.append(script);
  });
}
