//! A server of rmcp's own with one tool and one fixed answer, on standard input and output: what a call costs
//! before anything of ours is done. `tests/load.rs` measures it beside `tidegate mcp`.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::json;

/// As long as an answer of `get_quotes` about one instrument.
const TEXT: &str = "BINANCE:BTCUSDT@BINANCE: bid 60000.00 x 0.50000, ask 60000.01 x 0.25000 (book live), last 60000.01 x \
0.10000 buy at 2026-11-20T09:15:07.123456789Z (trades live), age 12 ms\n[PAPER SIMULATED, as of \
2026-11-20T09:15:07.135456789Z, seq 123456, feed live, age 12 ms]";

#[derive(Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut result = CallToolResult::success(vec![ContentBlock::text(TEXT)]);
        result.structured_content = Some(json!({
            "mode": "PAPER", "data": "SIMULATED", "as_of": "2026-11-20T09:15:07.135456789Z", "seq": 123_456,
            "age_ms": 12, "feed_state": "live",
            "quotes": [{
                "instrument": "BINANCE:BTCUSDT@BINANCE", "book_state": "live", "bid": "60000.00", "bid_qty": "0.50000",
                "ask": "60000.01", "ask_qty": "0.25000", "trades_state": "live", "last": "60000.01",
                "last_qty": "0.10000", "last_worth": "6000.00", "last_side": "buy",
                "last_at": "2026-11-20T09:15:07.123456789Z", "age_ms": 12
            }]
        }));
        Ok(result.into())
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        Bare.serve((tokio::io::stdin(), tokio::io::stdout())).await?.waiting().await?;
        Ok(())
    })
}
