// A token from `castline-server --dev`, which gives one to anybody. In your game the backend that knows the player makes it.

export function tokenForDevelopment(url: string, playerId: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${url}/auth/token`);
    request.setRequestHeader('content-type', 'application/json');
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText).token);
      else reject(new Error(`${url}/auth/token answered ${request.status}`));
    };
    request.onerror = () => reject(new Error(`${url}/auth/token cannot be reached`));
    request.send(JSON.stringify({ playerId }));
  });
}
