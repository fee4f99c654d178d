'use strict';

// What a target or a mail says only ever becomes text, or HTML in a frame that may do nothing.
const $ = id => document.getElementById(id);
const LOOK_EVERY_MS = 500;
const cards = new Map();
const states = new Map();
let newestMail = 0;
let openMail = 0;
let part = 'html';
let mails = [];

const clock = at => new Date(at).toLocaleTimeString('en-GB');
const milliseconds = ms => ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;

async function send(path, body) {
  await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  await look();
}

function newCard(channel) {
  const card = $('channel').content.firstElementChild.cloneNode(true);
  card.id = `channel-${channel.id}`;
  card.querySelector('h3').textContent = channel.title;
  const switches = card.querySelector('.switches');
  switches.setAttribute('aria-label', `Break ${channel.title}`);
  for (const { how, label } of channel.faults) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.how = how;
    button.textContent = label;
    button.addEventListener('click', () => send('/demo/break', { channel: channel.id, how }));
    switches.append(button);
  }
  const mend = document.createElement('button');
  mend.type = 'button';
  mend.className = 'mend';
  mend.textContent = 'Mend';
  mend.addEventListener('click', () => send('/demo/mend', { channel: channel.id }));
  switches.append(mend);
  $('channels').append(card);
  cards.set(channel.id, card);
  return card;
}

function points(latencies) {
  const most = Math.max(...latencies, 1);
  const step = latencies.length > 1 ? 240 / (latencies.length - 1) : 0;
  return latencies.map((ms, i) => `${(i * step).toFixed(1)},${(34 - 32 * ms / most).toFixed(1)}`).join(' ');
}

function showChannel(channel) {
  const card = cards.get(channel.id) ?? newCard(channel);
  card.dataset.state = channel.state;
  card.querySelector('.state').textContent = channel.state;
  card.querySelector('.since').textContent = channel.since ? `since ${clock(channel.since)}` : '';
  const failure = card.querySelector('.failure');
  failure.replaceChildren();
  if (channel.failure) {
    const { reason, stage, step, detail } = channel.failure;
    const word = document.createElement('b');
    word.textContent = reason;
    failure.append(word, step ? ` in step ${step}: ` : ` at ${stage}: `, detail);
  }
  const ms = channel.latencies_ms;
  card.querySelector('polyline').setAttribute('points', points(ms));
  const last = ms.length ? milliseconds(ms[ms.length - 1]) : '–';
  card.querySelector('.latency span').textContent = last;
  card.querySelector('.latency svg').setAttribute('aria-label', `Latest latencies; the last one ${last}`);
  for (const button of card.querySelectorAll('[data-how]')) {
    button.setAttribute('aria-pressed', String(button.dataset.how === channel.fault));
  }
  card.querySelector('.mend').disabled = !channel.fault;
  const before = states.get(channel.id);
  if (before && before !== channel.state) $('said').textContent = `${channel.title} is ${channel.state}`;
  states.set(channel.id, channel.state);
}

function showMails() {
  $('no-mails').hidden = mails.length > 0;
  $('mails').replaceChildren(...mails.slice(-50).reverse().map(mail => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-pressed', String(mail.number === openMail));
    const subject = document.createElement('b');
    subject.textContent = mail.subject;
    const at = document.createElement('time');
    at.dateTime = mail.received_at;
    at.textContent = clock(mail.received_at);
    button.append(subject, at);
    button.addEventListener('click', () => { openMail = mail.number; showMails(); showMail(); });
    item.append(button);
    return item;
  }));
}

function showMail() {
  const mail = mails.find(mail => mail.number === openMail);
  $('mail').hidden = !mail;
  if (!mail) return;
  const header = name => mail.headers.find(h => h.name.toLowerCase() === name)?.value ?? '';
  $('mail-subject').textContent = mail.subject;
  $('mail-from').textContent = header('from') || mail.envelope_from;
  $('mail-to').textContent = mail.envelope_to.join(', ');
  $('mail-at').textContent = new Date(mail.received_at).toLocaleString('en-GB');
  const shown = part === 'html' && mail.html === null ? 'text' : part;
  for (const button of document.querySelectorAll('[data-part]')) {
    button.setAttribute('aria-pressed', String(button.dataset.part === shown));
  }
  $('mail-html').hidden = shown !== 'html';
  $('mail-plain').hidden = shown === 'html';
  if (shown === 'html') {
    // Set again, it would flicker.
    if ($('mail-html').srcdoc !== mail.html) $('mail-html').srcdoc = mail.html;
  } else if (shown === 'text') $('mail-plain').textContent = mail.text;
  else $('mail-plain').textContent = mail.headers.map(h => `${h.name}: ${h.value}`).join('\n');
}

for (const button of document.querySelectorAll('[data-part]')) {
  button.addEventListener('click', () => { part = button.dataset.part; showMail(); });
}

async function look() {
  try {
    const state = await (await fetch('/demo/state.json')).json();
    $('gone').hidden = true;
    $('shop').href = state.shop;
    $('status').href = state.status;
    $('skipped').hidden = !state.skipped;
    $('skipped').textContent = state.skipped ?? '';
    state.channels.forEach(showChannel);
    if (state.newest_mail === newestMail) return;
    mails = await (await fetch('/demo/mails.json')).json();
    const follows = openMail === newestMail;
    newestMail = mails.length ? mails[mails.length - 1].number : 0;
    if (follows) openMail = newestMail;
    showMails();
    if (follows) showMail();
  } catch {
    $('gone').hidden = false;
  }
}

look();
setInterval(look, LOOK_EVERY_MS);
