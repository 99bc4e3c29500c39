import { RateLimiter } from "../src/runtime/rate_limiter.ts";
import { RateKey } from "../src/runtime/rate_key.ts";
import { RedisRateStore } from "../src/runtime/redis_rate_store.ts";
import { fromIoredis } from "../src/_internal/redis_adapters.ts";
const keys = Array.from({length:1000},(_, i)=>RateKey.principal(`user-${i}`));
const limits=[{requests:1000000,windowMs:60000}];
const reply=[1,0,0];
const mk=(c: any)=>new RateLimiter({limits,store:new RedisRateStore(c,{timeoutMs:5000})});
const tick=()=>new Promise((r)=>queueMicrotask(()=>r(reply)));
const variants: [string,(k:any)=>Promise<unknown>][]=[["raw",()=>tick()]];
const a=mk((..._w: string[])=>tick()); variants.push(["lambda",(k)=>a.check(k)]);
const b=mk(fromIoredis({call:(..._w: string[])=>tick()})); variants.push(["adapter",(k)=>b.check(k)]);
for (let r=0;r<3;r++) for (const [n,run] of variants){ let best=1e9; for(let q=0;q<8;q++){ const s=performance.now(); let next=0; await Promise.all(Array.from({length:200},async()=>{while(next<20000) await run(keys[next++%1000])})); best=Math.min(best,(performance.now()-s)/20000*1e3);} console.log(n,best.toFixed(2),"µs"); }
