// SPDX-License-Identifier: GPL-3.0-or-later
// Run in the guest and natively, which must print the same: hot functions that the engine translates, gives up and
// translates again, regular expressions and WebAssembly (code made at run time too), garbage, and threads.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const { Worker, isMainThread, workerData } = require('worker_threads');

const digest = text => crypto.createHash('sha256').update(String(text)).digest('hex').slice(0, 16);

function random (seed) {
  let state = seed >>> 0;
  return () => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return state / 4294967296;
  };
}

function integers () {
  let sum = 0;
  for (let i = 0; i < 5e6; i++)
    sum = (Math.imul(sum, 31) + (i ^ i >>> 3)) | 0;
  return sum;
}

function doubles () {
  const next = random(1), matrix = new Float64Array(120 * 120), product = new Float64Array(120 * 120);
  for (let i = 0; i < matrix.length; i++)
    matrix[i] = next() - 0.5;
  for (let i = 0; i < 120; i++)
    for (let j = 0; j < 120; j++) {
      let sum = 0;
      for (let k = 0; k < 120; k++)
        sum += matrix[i * 120 + k] * matrix[k * 120 + j];
      product[i * 120 + j] = sum;
    }
  return digest(Buffer.from(product.buffer).toString('hex'));
}

// The kinds of its arguments change after it was translated for the first ones.
function add (a, b) { return a.value + b.value; }

function changes () {
  let text = '', sum = 0;
  for (let i = 0; i < 300000; i++)
    sum += add({ value: i }, { value: 1 });
  for (let i = 0; i < 300000; i++)
    sum += add({ value: i + 0.5 }, { other: 0, value: 1 });
  for (let i = 0; i < 20000; i++)
    text = add({ value: text.slice(-20) }, { value: 'x' + i });
  for (let i = 0; i < 50000; i++)
    sum += Number(add({ value: BigInt(i) }, { value: 2n ** 40n }) % 1000003n);
  return sum + ' ' + text;
}

// Many functions made from text, each run until it is hot, then dropped.
function made () {
  let sum = 0;
  for (let i = 0; i < 200; i++) {
    const f = new Function('n', `let s = ${i}; for (let j = 0; j < n; j++) s = (s * ${i + 3} + j) % 1000003; return s;`);
    sum = (sum * 7 + f(3000) + f(3000)) % 1000003;
  }
  return sum;
}

function expressions () {
  const next = random(5);
  let text = '', found = 0;
  for (let i = 0; i < 20000; i++)
    text += 'abcdefghij 0123456789-é\n'[Math.floor(next() * 24)];
  for (const expression of [/([a-e]+)(\d)\1?/g, /(?<=-)\w{2,}?/g, /^[^\n]*?(é|f).*$/gmu, /(a|b|c)+?(?!\d)[g-j]/gi])
    for (let i = 0; i < 10; i++)
      for (const match of text.matchAll(expression))
        found = (found * 31 + match.index + match[0].length) % 1000003;
  return found;
}

// (func (export "f") (param $n i32) (result i64)): the sum of the squares below $n.
const assembly = Buffer.from('0061736d01000000' + '01060160017f017e' + '03020100' + '07050101660000' + '0a2a0128' + // sections
  '02017f017e' + '0340' + '2001200049' + '0440' + // locals $i $sum; loop; if $i < $n
  '20022001ad2001ad7e7c2102' + '200141016a2101' + '0c01' + '0b0b' + '20020b', 'hex'); // $sum += $i * $i; $i++; again; $sum

function garbage () {
  const kept = new Map(), next = random(9);
  for (let i = 0; i < 400000; i++) {
    const key = Math.floor(next() * 5000);
    kept.set(key, { key, list: [i, String(i)], before: i % 3 ? null : kept.get(key)?.list });
  }
  let sum = 0;
  for (const { key, list, before } of kept.values())
    sum = (sum * 31 + key + list[0] + (before ? before.length : 0)) % 1000003;
  return kept.size + ' ' + sum;
}

async function threads () {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  await Promise.all([1, 2, 3, 4].map(number => new Promise((resolve, reject) => {
    new Worker(__filename, { workerData: { shared, number } }).on('exit', resolve).on('error', reject);
  })));
  return shared[0] + ' ' + shared[1];
}

async function main () {
  console.log('integers', integers());
  console.log('doubles', doubles());
  console.log('math', [Math.sin, Math.exp, Math.tan, Math.cbrt, Math.log1p].map(f => f(0.7)).join(' '));
  console.log('changes', changes());
  console.log('made', made());
  console.log('expressions', expressions());
  const { instance } = await WebAssembly.instantiate(assembly);
  console.log('assembly', instance.exports.f(3000000));
  console.log('garbage', garbage());
  const text = JSON.stringify(Array.from({ length: 20000 }, (_, i) => ({ i, s: i.toString(36) })));
  console.log('zlib', digest(text), zlib.inflateSync(zlib.deflateSync(text)).toString() === text);
  console.log('bigint', digest(3n ** 20000n));
  console.log('threads', await threads());
}

if (isMainThread)
  main();
else
  for (let i = 0; i < 50000; i++) {
    Atomics.add(workerData.shared, 0, workerData.number);
    Atomics.add(workerData.shared, 1, 1);
  }
