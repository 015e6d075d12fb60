// @ts-check
// The token stands behind the #, so that it is in no log; here it is traded for a cookie that scripts cannot read.
const door = /** @type {HTMLElement} */ (document.getElementById('door'));
const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
try {
  const answer = await fetch('enter', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sibyl': '1' },
    body: JSON.stringify({ token }),
  });
  if (answer.ok) location.replace('./');
  else door.textContent = (await answer.json()).error;
} catch {
  door.textContent = 'The server does not answer. Start it again: sibyl review';
}
