//! The calls that listings make, so that a listing is about something else.

/// Asks the weather: `ask("today")` is the temperature, as in `10.1 C`.
///
/// # Errors
/// Where there is no answer, or none that can be read.
pub async fn ask(day: &str) -> reqwest::Result<String> {
    #[derive(serde::Deserialize)]
    struct Weather {
        temperature: String,
    }
    let url = format!("http://127.0.0.1:7001/weather/{day}");
    let answer = reqwest::get(url).await?.error_for_status()?;
    Ok(answer.json::<Weather>().await?.temperature)
}
